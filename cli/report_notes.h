/* SPDX-License-Identifier: MPL-2.0
 *
 * What the reader of a report should know: what the log does not tell, and what was made of it.
 */
#ifndef FAIRVISOR_CLI_REPORT_NOTES_H
#define FAIRVISOR_CLI_REPORT_NOTES_H

#include "cli/report.h"

/* Fills the notes of REPORT. false when memory is out. */
bool report_notes_find(struct report *report);

#endif
