"""Work that the browser asks for and a worker does."""
