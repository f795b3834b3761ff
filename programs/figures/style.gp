# style.gp - what the figures share: size of type, grid, and a colour for each layer from dark (the first) to light (the
# last), explained by a key at the right of the picture. Needs layers.
set border 3 lc rgb "#555555" lw 1
set tics nomirror out tc rgb "#333333"
set grid lc rgb "#e4e4e4" lt 1 lw 1

# Nine colours of the map viridis, the last one darkened so that it shows on white; between them on straight lines.
array reds[9] = [68, 71, 59, 44, 33, 40, 94, 160, 216]
array greens[9] = [1, 45, 82, 114, 145, 174, 201, 205, 185]
array blues[9] = [84, 123, 139, 142, 140, 128, 98, 60, 23]
place(k) = layers > 1 ? 1 + 8.0 * (k - 1) / (layers - 1) : 4
low(p) = p >= 9 ? 8 : int(p)
red(p) = reds[low(p)] + (p - low(p)) * (reds[low(p) + 1] - reds[low(p)])
green(p) = greens[low(p)] + (p - low(p)) * (greens[low(p) + 1] - greens[low(p)])
blue(p) = blues[low(p)] + (p - low(p)) * (blues[low(p) + 1] - blues[low(p)])
colour(k) = 65536 * int(red(place(k))) + 256 * int(green(place(k))) + int(blue(place(k)))
