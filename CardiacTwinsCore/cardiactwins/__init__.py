"""CardiacTwins: synthetic infarcts, digital siblings and late activation of the heart."""

__version__ = "0.1.0"
