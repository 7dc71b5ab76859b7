"""The guide's deployment checklist, and what else this project promises, as checks against a running environment."""
