/*
 * Has LUO's device open, which lets in one opener at a time, until it is killed; its pid is printed.
 *
 *   hold-device
 */
#include "guest.h"

int main(void) {
    if (open(LUO_DEVICE, O_RDWR | O_CLOEXEC) < 0) die("%s", LUO_DEVICE);
    stay_behind();
    pause();
}
