// From an image file's bytes to a network's input, as "preprocessing" in manifest.json says.
#ifndef IMAGE_H
#define IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Decodes a JPEG, PNG or BMP file, turns it upright, resizes its shorter side to `resize` and cuts out the center.
// Stores crop * crop RGB pixels, row by row. False if the bytes are no such image, or it is too large or too slim.
bool prepare_image(const uint8_t* encoded, size_t size, int resize, int crop, uint8_t* pixels);

#endif
