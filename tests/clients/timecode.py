"""Reads the test picture's time code from a luminance plane: the counterpart of ../browser/pages/timecode.js."""

COLUMNS, ROWS, VALUE_BITS = 16, 4, 48


def crc16(bits):
    crc = 0xFFFF
    for bit in bits:
        carry = ((crc >> 15) & 1) ^ bit
        crc = (crc << 1) & 0xFFFF
        if carry:
            crc ^= 0x1021
    return crc


def number(bits):
    value = 0
    for bit in bits:
        value = value * 2 + bit
    return value


def read(luma, stride, width, height):
    """The milliseconds shown, or None where there is no code."""
    cell_width, cell_height = width / COLUMNS, (height // 3) / ROWS
    levels = []
    for i in range(COLUMNS * ROWS):
        x, y = (i % COLUMNS) * cell_width, (i // COLUMNS) * cell_height
        points = [
            luma[int(y + fy * cell_height) * stride + int(x + fx * cell_width)]
            for fy in (0.35, 0.5, 0.65)
            for fx in (0.35, 0.5, 0.65)
        ]
        levels.append(sum(points) / len(points))
    low, high = min(levels), max(levels)
    if high - low < 64:
        return None
    bits = [1 if level > (low + high) / 2 else 0 for level in levels]
    value, crc = bits[:VALUE_BITS], bits[VALUE_BITS:]
    return number(value) if crc16(value) == number(crc) else None


def spread(luma, stride, width, height):
    """Mean and variance of a coarse sample of the plane: a black picture has a variance near 0."""
    points = [luma[y * stride + x] for y in range(0, height, 6) for x in range(0, width, 6)]
    mean = sum(points) / len(points)
    return mean, sum((p - mean) ** 2 for p in points) / len(points)
