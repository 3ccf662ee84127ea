"""Tables: the roles of their columns, and the vectors, images and labels in them."""
