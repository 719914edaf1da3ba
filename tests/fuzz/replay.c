/* SPDX-License-Identifier: MPL-2.0
 *
 * Runs one fuzz target over the files and folders that it is given, where there is no libFuzzer. Options, which are libFuzzer's, are
 * passed over.
 */
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "tests/fuzz/entry.h"

#define MAX_DESCRIPTORS 16

static unsigned long files;

static void run(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    char *bytes = malloc(size > 0 ? size : 1);

    if (!file || !bytes || fread(bytes, 1, size, file) != size) {
        perror(path);
        exit(1);
    }
    fclose(file);
    LLVMFuzzerTestOneInput((const uint8_t *)bytes, size);
    free(bytes);
    files++;
}

static int on_entry(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)where;
    if (kind == FTW_F)
        run(path, (size_t)status->st_size);
    return 0;
}

int main(int count, char **words)
{
    for (int i = 1; i < count; i++)
        if (words[i][0] != '-' && nftw(words[i], on_entry, MAX_DESCRIPTORS, FTW_PHYS)) {
            perror(words[i]);
            return 1;
        }
    printf("%lu files\n", files);
    return files == 0;
}
