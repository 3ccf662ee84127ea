"""Labelled image collections that are made here, without a network."""
