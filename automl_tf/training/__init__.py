"""Training one configuration with Lightning; who watches it decides whether it goes on."""
