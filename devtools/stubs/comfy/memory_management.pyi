# newer than 0.3.75

aimdo_enabled: bool
