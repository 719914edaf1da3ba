/* SPDX-License-Identifier: MPL-2.0
 *
 * Names to numbers in the master (where the name service may be asked), numbers to system calls in the child.
 */
#include "master/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PRIVILEGES_LAST_CAPABILITY 63 /* two words of 32 are all the kernel's interface has room for */

static bool find_user(const char *name, struct privileges *privileges, struct failure *failure)
{
    const struct passwd *user;

    errno = 0;
    user = getpwnam(name);
    if (user == NULL)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                           "the user '%s' does not exist: create it, or set `user` to one that does", name);
    privileges->uid = user->pw_uid;
    privileges->gid = user->pw_gid;
    return true;
}

static bool find_group(const char *name, struct privileges *privileges, struct failure *failure)
{
    const struct group *group = getgrnam(name);

    if (group == NULL)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                           "the group '%s' does not exist: create it, or set `group` to one that does", name);
    privileges->gid = group->gr_gid;
    return true;
}

bool privileges_find(const struct settings *settings, struct privileges *privileges, struct failure *failure)
{
    *privileges = (struct privileges){.uid = geteuid(), .gid = getegid()};
    if (settings->user[0] && !find_user(settings->user, privileges, failure))
        return false;
    if (settings->group[0] && !find_group(settings->group, privileges, failure))
        return false;
    if (geteuid() == 0) {
        privileges->must_drop = privileges->uid != 0;
        return true;
    }
    if (privileges->uid != geteuid())
        return failure_set(failure, EXIT_CODE_PERMISSION,
                           "only root can run workers as '%s': start as root, or leave `user` unset", settings->user);
    privileges->gid = getegid();
    return true;
}

static bool clear_bounding_set(void)
{
    for (unsigned long capability = 0; capability <= PRIVILEGES_LAST_CAPABILITY; capability++)
        if (prctl(PR_CAPBSET_DROP, capability, 0UL, 0UL, 0UL) != 0 && errno != EINVAL)
            return false;
    return true;
}

static bool clear_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

    memset(none, 0, sizeof(none));
    return syscall(SYS_capset, &header, none) == 0;
}

bool privileges_drop(const struct privileges *privileges)
{
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0UL, 0UL, 0UL) != 0 && errno != EINVAL)
        return false;
    if (privileges->must_drop) {
        if (!clear_bounding_set() || setgroups(1, &privileges->gid) != 0 ||
            setresgid(privileges->gid, privileges->gid, privileges->gid) != 0 ||
            setresuid(privileges->uid, privileges->uid, privileges->uid) != 0)
            return false;
        if (setuid(0) == 0) { /* the kernel said yes to everything and we still can go back */
            errno = EPERM;
            return false;
        }
    }
    return clear_capabilities() && prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) == 0;
}
