fairvisor logs --format xml
