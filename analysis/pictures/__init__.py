"""Pictures as files: photographs, films, and how natural they look."""
