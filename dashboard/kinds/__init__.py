"""What a worker does: a module for each kind of job."""
