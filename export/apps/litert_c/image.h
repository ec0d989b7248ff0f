// Turns the bytes of an image file into the network's input, as "preprocessing" in manifest.json describes.
#ifndef IMAGE_H
#define IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Decodes a JPEG, PNG or BMP file, turns it upright, resizes its shorter side to `resize` and cuts out the center.
// Stores crop * crop RGB pixels, row by row. Returns false if the bytes are not such an
// image, or if it has too many pixels or one side more than 100 times as long as the other.
bool prepare_image(const uint8_t* encoded, size_t size, int resize, int crop, uint8_t* pixels);

#endif
