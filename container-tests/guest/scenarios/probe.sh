# shellcheck shell=sh
# Does a guest run at all? Nothing but a way up and down again.

stage_1() {
    check "the guest starts" true
}
