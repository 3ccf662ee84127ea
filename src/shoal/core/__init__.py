"""Arrays in, arrays out: no paths, clocks or logs here."""
