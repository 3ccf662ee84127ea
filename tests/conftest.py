"""Settings that hold for every test."""

from hypothesis import settings

# No deadline: a busy machine is no failure. Few examples: the suite is run often.
settings.register_profile("shoal", deadline=None, max_examples=50, print_blob=True)
settings.load_profile("shoal")
