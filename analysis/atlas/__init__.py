"""An atlas: a folder with pictures, features and what is known of them."""
