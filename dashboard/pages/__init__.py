"""The pages of the dashboard, one module each: ``layout(view)``, and ``register(app, view)``."""
