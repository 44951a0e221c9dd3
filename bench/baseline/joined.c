/* SPDX-License-Identifier: BSD-3-Clause
 * joined: says which guests' interfaces become ports of bridges, as the kernel tells it (rtnetlink): "vif3.0 MILLISECONDS", by
 * CLOCK_MONOTONIC, a line each, from the line "ready" on until it is ended. */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static void tell(struct nlmsghdr *message, const struct timespec *time)
{
    if (message->nlmsg_type != RTM_NEWLINK)
        return;
    struct ifinfomsg *info = NLMSG_DATA(message);
    const char *name = NULL;
    int master = 0;
    unsigned int left = (unsigned int)IFLA_PAYLOAD(message);
    for (struct rtattr *attribute = IFLA_RTA(info); RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        if (attribute->rta_type == IFLA_IFNAME)
            name = RTA_DATA(attribute);
        if (attribute->rta_type == IFLA_MASTER)
            memcpy(&master, RTA_DATA(attribute), sizeof master);
    }
    if (master && name && !strncmp(name, "vif", 3))
        printf("%s %.3f\n", name, (double)time->tv_sec * 1e3 + (double)time->tv_nsec / 1e6);
}

int main(void)
{
    static char buffer[65536] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
    int events = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (events < 0 || bind(events, (struct sockaddr *)&address, sizeof address)) {
        perror("joined");
        return 1;
    }
    setlinebuf(stdout);
    printf("ready\n");
    while (1) {
        ssize_t size = recv(events, buffer, sizeof buffer, 0);
        struct timespec time;
        clock_gettime(CLOCK_MONOTONIC, &time);
        if (size < 0 && errno != ENOBUFS && errno != EINTR) {
            perror("joined");
            return 1;
        }
        unsigned int left = size > 0 ? (unsigned int)size : 0;
        for (struct nlmsghdr *message = (struct nlmsghdr *)buffer; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left))
            tell(message, &time);
    }
}
