"""python -m pipeline VERB"""

from pipeline.cli.app import main

main()
