"""What is done with a checkout rather than by the system: continuous integration, the virtualenv, the locks."""
