"""Booking owns time: availability, slots, occupation, holds and seats, lessons, moving and cancelling them,
attendance. It writes orders and earnings downward; of messages and mails it knows nothing but the events it
announces."""
