"""What every room above stands on: numbers, seeds, files, progress, spelling."""
