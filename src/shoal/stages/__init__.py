"""The data flow, one file a stage."""
