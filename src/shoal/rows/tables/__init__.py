"""Tables: what their columns are, and the vectors, images and labels in them."""
