"""Reading, writing, colour, resampling and tiling of pictures, with numpy and libvips only."""
