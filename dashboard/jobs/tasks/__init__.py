"""What a worker can do, a module a task."""
