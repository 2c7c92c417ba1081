"""The idea: primitives as rows, traces as ways to run them. Reads in one sitting, imports no op and no engine."""
