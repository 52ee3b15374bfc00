"""Rehearses a study on drawn people before anyone is asked: what runs, what is withheld, how many numbers it opens."""

from gagyo.rehearsal.expected import Expected as Expected
from gagyo.rehearsal.rehearse import Rehearsed as Rehearsed
from gagyo.rehearsal.rehearse import rehearse as rehearse
