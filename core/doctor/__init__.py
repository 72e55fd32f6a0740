"""Is this installation as it should be? ``checks.py`` looks, ``core/cli/doctor.py`` prints."""
