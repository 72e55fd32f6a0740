"""What people and drivers call cards and models, made one."""
