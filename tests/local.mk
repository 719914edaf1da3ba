# SPDX-License-Identifier: MPL-2.0

# Lints: scripts that read the sources and the built objects; each can fail, which tests/lint/self-test proves.
lint_scripts = tests/lint/include-arrows tests/lint/symbol-names tests/lint/house-rules tests/lint/self-test
TESTS += $(lint_scripts)
EXTRA_DIST += $(lint_scripts)
