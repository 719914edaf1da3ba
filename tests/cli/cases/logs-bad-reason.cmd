fairvisor logs --reason typo decisions.txt
