"""The ./monopco command: prepares the machine, drives Pulumi and runs day-2 jobs; it deploys nothing by itself."""
