// Says how long its start took: from the guest's first instruction until here, and from the moment at which Xen first let
// the guest's vCPU run.
#include "app.h"
#include "hypercall.h"
#include "machine.h"

#include <xen/vcpu.h>

// Time in which the vCPU had something to do since then, whether or not a processor was free for it.
static uint64_t since_first_run(void)
{
    struct vcpu_runstate_info info = {.state = 0};
    if (hypercall(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0, address_of(&info), 0))
        return 0;
    return info.time[RUNSTATE_running] + info.time[RUNSTATE_runnable] + info.time[RUNSTATE_blocked];
}

void app_start(void)
{
    const uint64_t stamps = time_stamp() - entered_at;
    const uint64_t here = clock_of_stamps(stamps) / 1000;
    say("first instruction to main: %lu us (%lu time stamps)", here, stamps);
    say("first run to main: %lu us", since_first_run() / 1000);
}
