/*
 * What `kexec -e` ends in, and nothing before it: reboot(2) into the loaded kernel, which returns only if that fails.
 *
 *   reboot-kexec
 */
#include "guest.h"

#include <linux/reboot.h>
#include <sys/syscall.h>

int main(void) {
    syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
    die("reboot");
}
