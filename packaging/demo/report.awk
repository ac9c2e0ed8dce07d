# A text chart of the mean colours: brightest picture first is left to sort(1).
BEGIN { FS = "," }
FNR > 1 {
    light = int(0.299 * $4 + 0.587 * $5 + 0.114 * $6)
    bar = substr("########################################", 1, int(light / 255 * 40))
    printf "%3d %-28s %s\n", light, $1, bar
}
