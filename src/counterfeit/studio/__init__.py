"""The studio: a local web application that watches, explores, compares and judges runs."""
