"""Pages that need no scripts and fetch nothing: the style that all reports share, and charts as SVG."""
