/* Mean colour of each PPM file named on the command line, one CSV line each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int describe(const char *path)
{
    FILE *in = fopen(path, "rb");
    int width, height, most;
    if (!in || fscanf(in, "P6 %d %d %d", &width, &height, &most) != 3 || fgetc(in) == EOF) {
        perror(path);
        return 1;
    }
    size_t pixels = (size_t)width * height, size = pixels * 3;
    unsigned char *data = malloc(size);
    if (!data || fread(data, 1, size, in) != size) {
        fprintf(stderr, "%s: cut short\n", path);
        return 1;
    }
    fclose(in);
    unsigned long sum[3] = {0, 0, 0};
    for (size_t at = 0; at < size; at++)
        sum[at % 3] += data[at];
    free(data);
    const char *slash = strrchr(path, '/');
    printf("%s,%d,%d,%lu,%lu,%lu\n", slash ? slash + 1 : path, width, height,
           sum[0] / pixels, sum[1] / pixels, sum[2] / pixels);
    return 0;
}

int main(int count, char **paths)
{
    puts("picture,width,height,red,green,blue");
    for (int index = 1; index < count; index++)
        if (describe(paths[index]))
            return 1;
    return 0;
}
