"""What others would take for the same: each peer is had from package registries by the bench itself, and cached."""
