"""Makes what a command needs: Python packages, Pulumi with its plugins, Docker, the base image.

Runs before anything is installed, so nothing but the standard library of Python 3.10 is imported here.
"""
