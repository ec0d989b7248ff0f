"""Loads `shared_fixtures.py`, except in the process of pytest-xdist that runs no test: TensorFlow takes seconds."""


def pytest_configure(config):
    if not config.getoption("numprocesses", None):  # Set in that process only.
        config.pluginmanager.import_plugin("shared_fixtures")
