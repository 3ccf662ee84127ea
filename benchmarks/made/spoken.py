"""Spectrograms of spoken digits, by espeak-ng's voices."""

from __future__ import annotations

import io
import itertools
import shutil
import subprocess
import wave

import numpy as np
from numpy.typing import NDArray

Labelled = tuple[NDArray[np.uint8], NDArray[np.int64]]

_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_VOICES = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-029")
_VARIANTS = ("m1", "m3", "m7", "f1", "f2", "f4", "croak", "whisper")
_WINDOW, _HOP, _BANDS = 400, 160, 32


def available() -> bool:
    """Tell whether espeak-ng is installed."""
    return shutil.which("espeak-ng") is not None


def spoken_digits(each: int, seed: int, side: int = 32) -> Labelled:
    """Speak every digit `each` times: voice, speed, pitch and noise differ."""
    generator = np.random.default_rng([seed, 5])
    images, truth = [], []
    for digit, word in enumerate(_WORDS):
        for _ in range(each):
            voice = f"{generator.choice(_VOICES)}+{generator.choice(_VARIANTS)}"
            speed, pitch = generator.integers(130, 230), generator.integers(20, 80)
            sound = _speak(word, voice, int(speed), int(pitch))
            sound = sound + generator.normal(0, 0.002, len(sound))
            images.append(spectrogram(sound, side))
            truth.append(digit)
    return np.stack(images), np.asarray(truth)


def _speak(word: str, voice: str, speed: int, pitch: int) -> NDArray[np.float64]:
    """Run espeak-ng; samples of −1..1 at 22,050 a second."""
    command = ["espeak-ng", "--stdout", "-v", voice, "-s", str(speed), "-p", str(pitch), word]
    done = subprocess.run(command, capture_output=True, check=True)
    with wave.open(io.BytesIO(done.stdout)) as file:
        raw = file.readframes(10**7)
    return np.frombuffer(raw[: len(raw) // 2 * 2], "<i2") / 32768.0


def spectrogram(sound: NDArray, side: int) -> NDArray[np.uint8]:
    """Draw the logarithm of the power: time to the right, bands of mel width upwards."""
    loud = np.flatnonzero(np.abs(sound) > 0.02)
    if len(loud):
        sound = sound[loud[0] : loud[-1] + 1]
    sound = np.pad(sound, (0, max(0, _WINDOW - len(sound))))
    starts = np.linspace(0, len(sound) - _WINDOW, side).astype(int)
    frames = np.stack([sound[s : s + _WINDOW] for s in starts]) * np.hanning(_WINDOW)
    power = np.abs(np.fft.rfft(frames, 512)) ** 2
    mel = np.linspace(np.log1p(60 / 700), np.log1p(7000 / 700), side + 1)
    edges = np.clip((700 * np.expm1(mel) / 22050 * 512).astype(int), 0, power.shape[1] - 1)
    bands = [power[:, a : max(b, a + 1)].mean(1) for a, b in itertools.pairwise(edges)]
    level = np.log(np.stack(bands)[::-1] + 1e-6)
    level = (level - level.max() + 9) / 9
    return np.asarray(np.clip(255 * level, 0, 255), np.uint8)
