"""Tools for a checkout, apart from the system: continuous integration, the virtualenv, the locks."""
