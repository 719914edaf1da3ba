/* SPDX-License-Identifier: MPL-2.0
 *
 * Users of files: see owner.h.
 */
#include "shm/owner.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

unsigned owner_of(const struct settings *settings)
{
    const struct passwd *user;
    struct stat folder;

    if (geteuid() != 0)
        return geteuid();
    if (stat(settings->runtime_dir, &folder) == 0 && S_ISDIR(folder.st_mode) && folder.st_uid != 0)
        return folder.st_uid;
    user = settings->user[0] ? getpwnam(settings->user) : NULL;
    return user ? user->pw_uid : 0;
}

bool owner_is_trusted(unsigned user)
{
    return user == geteuid() || user == 0;
}
