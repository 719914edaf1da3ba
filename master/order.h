/* SPDX-License-Identifier: MPL-2.0
 *
 * What is done for those who come in at the master's door: limits reset or given back, kill switches set and lifted, bundles
 * served. Each order that changed something, and each bundle that was refused, is noted with who gave it (audit.h).
 */
#ifndef FAIRVISOR_MASTER_ORDER_H
#define FAIRVISOR_MASTER_ORDER_H

#include <stdbool.h>

#include "master/admin.h"

/* Does what VISITOR's request asks for, and answers at once, when a child has done it, or by order_push. */
void order_serve(struct admin_visitor *visitor);

/* Somebody has brought a bundle: to be served when a reload can be run, by order_push. */
bool order_has_push(const struct admin *admin);

/* Serves it and answers. Turns the loop. */
void order_push(struct admin *admin);

#endif
