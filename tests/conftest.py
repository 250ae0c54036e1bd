"""What holds for every test: properties are judged by what they find, not by how long it took."""

from hypothesis import HealthCheck, settings

# Tests run beside each other on machines that have other things to do.
settings.register_profile(
    "tempest", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tempest")
