"""Statistics and rounding bounds: observations in, decision out.  Nothing here knows of networks."""
