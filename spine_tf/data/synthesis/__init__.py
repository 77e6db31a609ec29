"""Makes CT scans from label maps and from phantoms."""
