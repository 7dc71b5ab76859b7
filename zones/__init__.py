"""DNS zones: which records an environment needs, and how they are put into a zone without touching anybody else's."""
